enum { SHOWN = 5, LAYOUTS = 7, MODELS = 5 + 2 * (LAYOUTS - 1) };

/* A fault is named only if it leaves at most this share of the deviation; a program on a grid of some
   hundred points leaves a few per cent for the grid's own error. */
static const double most_left = 0.1;
/* A fault with a free constant fits more than it should: of it is asked that it leaves less. */
static const double most_left_if_fitted = 0.01;
/* Of two explanations that leave about the same rest, the simpler one is named. */
static const double as_good = 10;

static const char *const block_names[3] = {"w", "b", "c"};

/* Orders of the three blocks; the last layout is neuron by neuron. */
static const size_t block_orders[LAYOUTS - 1][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                                    {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

/* A wrong gradient: still * bulk + moving * dirac + jump * (own jump, on the side that fits), in some
   layout. */
typedef struct {
    const char *sentence;
    double still, moving, jump;
    size_t layout;
    double rest; /* the norm of what it leaves of the gradient found */
} model;

/* Where a layout puts component k. */
static size_t laid_out(size_t layout, size_t width, size_t k)
{
    size_t block = k / width, place = 0;

    if (layout == LAYOUTS - 1)
        return k % width * 3 + block;
    while (block_orders[layout][place] != block)
        place++;
    return place * width + k % width;
}

/* On which side of the kink of neuron i a one-sided slope seems to have been taken. */
static double side_of(const relu_oracles_case *expected, const double *found, size_t i)
{
    double product = 0;
    size_t k;

    for (k = i; k < 3 * expected->width; k += expected->width)
        product += (found[k] - expected->total[k]) * expected->own_jump[k];
    return product < 0 ? -1 : 1;
}

static double rest_of(const relu_oracles_case *expected, const double *found, const model *fault)
{
    double sum = 0;
    size_t width = expected->width, k;

    for (k = 0; k < 3 * width; k++) {
        double value = fault->still * expected->bulk[k] + fault->moving * expected->dirac[k];
        double rest;

        if (fault->jump != 0)
            value += fault->jump * side_of(expected, found, k % width) * expected->own_jump[k];
        rest = found[laid_out(fault->layout, width, k)] - value;
        sum += rest * rest;
    }
    return sqrt(sum);
}

static void print_fault(const model *fault)
{
    const size_t *order = block_orders[fault->layout < LAYOUTS - 1 ? fault->layout : 0];

    fprintf(stderr, "  diagnosis: ");
    if (fault->layout == LAYOUTS - 1)
        fprintf(stderr, "transposed: neuron by neuron instead of block by block");
    else if (fault->layout > 0)
        fprintf(
            stderr, "blocks swapped: their order is %s, %s, %s", block_names[order[0]],
            block_names[order[1]], block_names[order[2]]);
    if (fault->layout > 0 && fault->moving == 0)
        fprintf(stderr, ", and ");
    if (fault->layout == 0 || fault->moving == 0)
        fprintf(stderr, "%s", fault->sentence);
    fprintf(stderr, "\n");
}

static int all_float32(size_t count, const double *found, const double *expected, double tolerance)
{
    size_t k;

    for (k = 0; k < count; k++) {
        if (fabs(found[k]) > (double)FLT_MAX || (double)(float)found[k] != found[k]
            || fabs(found[k] - expected[k]) > (double)FLT_EPSILON / DBL_EPSILON * tolerance)
            return 0;
    }
    return 1;
}

/* The models of known faults, simpler ones first; how many there are. */
static size_t fill_models(const relu_oracles_case *expected, double tolerance, model out[MODELS])
{
    size_t width = expected->width, count = 0, layout, k;
    int kinks_move = 0;
    model fault = {0};

    for (k = 0; k < 3 * width; k++)
        kinks_move |= fabs(expected->dirac[k]) > tolerance;
    if (kinks_move) {
        fault.sentence =
            "equals the bulk: Dirac terms missing, as in automatic differentiation on a fixed grid";
        fault.still = 1;
        out[count++] = fault;
        fault.sentence =
            "equals the nearest-node rule (Eq. 10): u' at the kink is taken on one side, not as the "
            "mean of both";
        fault.moving = fault.jump = 1;
        out[count++] = fault;
    }
    fault.jump = 0;
    fault.sentence = "sign flipped";
    fault.still = fault.moving = -1;
    out[count++] = fault;
    for (layout = 1; layout < LAYOUTS; layout++) {
        if (layout == LAYOUTS - 1 && width == 1)
            continue;
        fault.layout = layout;
        fault.sentence = "Dirac terms missing";
        fault.still = fault.moving = 1;
        out[count++] = fault;
        fault.moving = 0;
        if (kinks_move)
            out[count++] = fault;
    }
    fault.layout = 0;
    fault.still = 1;
    if (kinks_move) {
        fault.sentence = "the Dirac terms have the wrong sign";
        fault.moving = -1;
        out[count++] = fault;
        fault.sentence = "the Dirac terms are twice what they should be";
        fault.moving = 2;
        out[count++] = fault;
    }
    return count;
}

/* Print the factor if found is a multiple of expected, and return whether it is. */
static int scaled(size_t count, const double *found, const double *expected)
{
    double product = 0, square = 0, deviation = 0, rest = 0, factor;
    size_t k;

    for (k = 0; k < count; k++) {
        product += found[k] * expected[k];
        square += expected[k] * expected[k];
    }
    factor = square > 0 ? product / square : 1;
    for (k = 0; k < count; k++) {
        deviation += (found[k] - expected[k]) * (found[k] - expected[k]);
        rest += (found[k] - factor * expected[k]) * (found[k] - factor * expected[k]);
    }
    /* One number is always some multiple of another one: only the usual factors say something. */
    if (sqrt(rest) > most_left_if_fitted * sqrt(deviation)
        || (count == 1 && fabs(factor + 1) > 1e-6 && fabs(factor - 2) > 1e-6
            && fabs(factor - 0.5) > 1e-6))
        return 0;
    if (fabs(factor + 1) < 1e-6)
        fprintf(stderr, "  diagnosis: sign flipped\n");
    else
        fprintf(stderr, "  diagnosis: scaled by the constant %.6g\n", factor);
    return 1;
}

static void print_no_fault(void)
{
    fprintf(
        stderr, "  diagnosis: none of the known faults fits; a coarse quadrature looks like this\n");
}

static void diagnose_gradient(const relu_oracles_case *expected, const double *found, double tolerance)
{
    const model nothing = {"", 1, 1, 0, 0, 0};
    double deviation = rest_of(expected, found, &nothing);
    double rounding = tolerance * sqrt((double)(3 * expected->width)), least = deviation;
    model models[MODELS];
    size_t count = fill_models(expected, tolerance, models), k;

    for (k = 0; k < count; k++) {
        models[k].rest = fmax(rest_of(expected, found, &models[k]), rounding);
        least = fmin(least, models[k].rest);
    }
    for (k = 0; k < count && least <= most_left * deviation; k++) {
        if (models[k].rest <= as_good * least) {
            print_fault(&models[k]);
            return;
        }
    }
    if (scaled(3 * expected->width, found, expected->total))
        return;
    if (all_float32(3 * expected->width, found, expected->total, tolerance))
        fprintf(
            stderr, "  diagnosis: float32 precision: the numbers are float ones, and the error is what "
                    "that type "
                    "leaves\n");
    else
        print_no_fault();
}

static void print_component(size_t count, size_t width, size_t k)
{
    if (count == 1)
        fprintf(stderr, "  energy: ");
    else if (count == 3 * width)
        fprintf(stderr, "  %s[%lu]: ", block_names[k / width], (unsigned long)(k % width));
    else
        fprintf(
            stderr, "  [%lu, %lu]: ", (unsigned long)(k / (3 * width)),
            (unsigned long)(k % (3 * width)));
}

/* Print the worst components, largest error first. Not a number and infinity count as the largest. */
static void print_worst(
    size_t count, size_t width, const double *found, const double *expected, double tolerance)
{
    size_t shown, k, worst, last = count;
    double last_error = INFINITY;

    for (shown = 0; shown < SHOWN; shown++) {
        double worst_error = tolerance;

        worst = count;
        for (k = 0; k < count; k++) {
            double error = isfinite(found[k]) ? fabs(found[k] - expected[k]) : INFINITY;
            int listed = error > last_error || (error == last_error && last < count && k <= last);

            if (!listed && error > worst_error) {
                worst_error = error;
                worst = k;
            }
        }
        if (worst == count)
            return;
        print_component(count, width, worst);
        fprintf(
            stderr, "%.17g instead of %.17g, error %.1e = %.1e tolerances\n", found[worst],
            expected[worst], worst_error, tolerance > 0 ? worst_error / tolerance : INFINITY);
        last = worst;
        last_error = worst_error;
    }
}

/* How many are off; if any, the first lines of a report. `finite`: may a diagnosis follow? */
static size_t compare(
    const char *what, const relu_oracles_case *expected, size_t count, const double *found,
    const double *right, double tolerance, int *finite)
{
    size_t off = 0, k;

    *finite = 1;
    for (k = 0; k < count; k++) {
        /* Written so that NaN is off. */
        off += !(fabs(found[k] - right[k]) <= tolerance);
        *finite &= isfinite(found[k]) != 0;
    }
    if (off == 0)
        return 0;
    fprintf(
        stderr, "%s of %s: %lu of %lu components are off\n", what, expected->id, (unsigned long)off,
        (unsigned long)count);
    print_worst(count, expected->width, found, right, tolerance);
    if (off > SHOWN)
        fprintf(stderr, "  and %lu more\n", (unsigned long)(off - SHOWN));
    return off;
}

static double tolerance_of(double stored, double relative, size_t count, const double *right)
{
    double largest = 0;
    size_t k;

    for (k = 0; k < count; k++)
        largest = fmax(largest, fabs(right[k]));
    return fmax(stored, relative * largest);
}

size_t relu_oracles_check_energy(
    const relu_oracles_case *expected, double energy, double relative_tolerance)
{
    double tolerance =
        tolerance_of(expected->energy_tolerance, relative_tolerance, 1, &expected->energy);
    int finite;
    size_t off = compare("energy", expected, 1, &energy, &expected->energy, tolerance, &finite);

    if (off > 0 && finite && !scaled(1, &energy, &expected->energy))
        print_no_fault();
    return off;
}

size_t relu_oracles_check_gradient(
    const relu_oracles_case *expected, const double *gradient, double relative_tolerance)
{
    size_t count = 3 * expected->width, off;
    double tolerance =
        tolerance_of(expected->gradient_tolerance, relative_tolerance, count, expected->total);
    int finite;

    off = compare("gradient", expected, count, gradient, expected->total, tolerance, &finite);
    if (off > 0 && finite)
        diagnose_gradient(expected, gradient, tolerance);
    return off;
}

size_t relu_oracles_check_hessian(
    const relu_oracles_case *expected, const double *hessian, double relative_tolerance)
{
    size_t count = 9 * expected->width * expected->width, off;
    double tolerance;
    int finite;

    if (expected->hessian == NULL)
        return 0;
    tolerance = tolerance_of(expected->hessian_tolerance, relative_tolerance, count, expected->hessian);
    off = compare("Hessian", expected, count, hessian, expected->hessian, tolerance, &finite);
    if (off > 0 && finite && !scaled(count, hessian, expected->hessian))
        print_no_fault();
    return off;
}
