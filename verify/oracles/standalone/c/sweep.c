/* u = lift + D sum_i c_i max(0, w_i x + b_i); between two kinks the network is a x + g, and the energy
   density is (m0 a + m1 g + m3) a + (m2 g + m4) g + m5 with six functions m of x alone. */
enum { FUNCTIONS = 6, MOST_ENDS = 2 };

typedef void (*function_of_x)(double x, double out[FUNCTIONS]);

/* One smooth stretch of the problem's data. */
typedef struct {
    double left, right;
    function_of_x densities; /* the six functions m */
    function_of_x slopes;    /* their derivatives */
    /* The Dirac terms of dE/dw and dE/db for a kink at x. */
    void (*dirac)(double x, double w, double c, double value, double other_slope, double out[2]);
    function_of_x antiderivatives; /* of m; NULL: Gauss points on panels integrate them */
    const double *edges;           /* of the panels, one more than these, from left to right */
    size_t panels;
} piece;

/* An end at which u is free, or a point load; the energy has the terms flux u + penalty (u - wanted)^2 / 2. Of
   periodic ends u is the difference to the value at the opposite one, whose D is 0 elsewhere. */
typedef struct {
    double place, distance, lift, flux, penalty, wanted;
    double opposite, opposite_distance, opposite_lift;
} free_end;

/* A rational place p/q at which a kink has no derivative of order `lowest` and above. */
typedef struct {
    double p, q;
    int lowest;
} mark;

typedef struct {
    const piece *pieces; /* from left to right */
    size_t piece_count;
    const free_end *ends;
    size_t end_count;
    const mark *marks;
    size_t mark_count;
    double reach[2]; /* how far from either end 16 Gauss points are as good as rounding */
} problem;

typedef struct {
    double x; /* the kink, clipped to the domain */
    double w, b, c;
    size_t index;       /* among the neurons as they were given */
    int inside, rising; /* is the kink strictly inside? is the neuron on to the right of it? */
    double by_slope, by_intercept; /* the integrals of dL/da and dL/dg where the neuron is on */
} neuron;

typedef struct {
    double slope, intercept;   /* a and g */
    double moments[FUNCTIONS]; /* the integrals of m */
} interval;

/* A network with its neurons sorted by kink. */
typedef struct {
    size_t n;
    neuron *neurons;     /* n */
    interval *intervals; /* n + 1: neuron k is between intervals k and k + 1 */
} sweep;

static int sign_of(double value)
{
    return (value > 0) - (value < 0);
}

/* The sign of a b - c d, exact whatever the exponents: the mantissas' products are taken with
   their rounding errors. */
static int compare_products(double a, double b, double c, double d)
{
    int sign = sign_of(a) * sign_of(b), other_sign = sign_of(c) * sign_of(d);
    int a_exponent, b_exponent, c_exponent, d_exponent, shift, larger;
    double product, rest, other_product, other_rest;

    if (sign != other_sign || sign == 0)
        return (sign > other_sign) - (sign < other_sign);
    a = frexp(fabs(a), &a_exponent);
    b = frexp(fabs(b), &b_exponent);
    c = frexp(fabs(c), &c_exponent);
    d = frexp(fabs(d), &d_exponent);
    product = a * b;
    rest = fma(a, b, -product);
    other_product = c * d;
    other_rest = fma(c, d, -other_product);
    shift = a_exponent + b_exponent - c_exponent - d_exponent;
    /* Both products are in [1/4, 1]. */
    if (shift > 2 || shift < -2)
        return shift > 0 ? sign : -sign;
    product = ldexp(product, shift);
    rest = ldexp(rest, shift);
    /* Rounding is monotone: the rests decide only between equal rounded products. */
    larger = (product > other_product) - (product < other_product);
    if (larger == 0)
        larger = (rest > other_rest) - (rest < other_rest);
    return sign * larger;
}

/* The sign of -b_i/w_i + b_j/w_j, exact. */
static int compare_kinks(const neuron *i, const neuron *j)
{
    return -compare_products(i->b, j->w, j->b, i->w) * sign_of(i->w) * sign_of(j->w);
}

static int by_kink(const void *one, const void *other)
{
    const neuron *i = one, *j = other;
    int order = (i->x > j->x) - (i->x < j->x);

    /* A rounded quotient is monotone in the exact one: equal ones alone need the exact comparison. */
    if (order == 0 && i->inside && j->inside)
        order = compare_kinks(i, j);
    return order != 0 ? order : (i->index > j->index) - (i->index < j->index);
}

static double left_end(const problem *given)
{
    return given->pieces[0].left;
}

static double right_end(const problem *given)
{
    return given->pieces[given->piece_count - 1].right;
}

/* The piece that x is on; on an interface the one to its right. */
static const piece *piece_at(const problem *given, double x)
{
    size_t k = given->piece_count - 1;

    while (k > 0 && x < given->pieces[k].left)
        k--;
    return &given->pieces[k];
}

/* kappa D^2 at x: what the Dirac term gains when the other neurons' slope grows by one. */
static double stiffness(const problem *given, double x)
{
    double with[2], without[2];

    piece_at(given, x)->dirac(x, 1, 1, 0, 1, with);
    piece_at(given, x)->dirac(x, 1, 1, 0, 0, without);
    return with[1] - without[1];
}

/* Add the integrals of m from start to stop by 16 points. */
static void add_gauss(function_of_x densities, double start, double stop, double out[FUNCTIONS])
{
    static const double nodes[8][2] = {
        /* node and weight, once for either sign */
        {0.09501250983763744, 0.1894506104550685},  {0.2816035507792589, 0.18260341504492358},
        {0.45801677765722737, 0.16915651939500254}, {0.6178762444026438, 0.14959598881657674},
        {0.755404408355003, 0.12462897125553388},   {0.8656312023878318, 0.09515851168249279},
        {0.9445750230732326, 0.062253523938647894}, {0.9894009349916499, 0.027152459411754096},
    };
    double half = (stop - start) / 2, middle = start + half, below[FUNCTIONS], above[FUNCTIONS];
    size_t k, m;

    for (k = 0; k < 8; k++) {
        densities(middle - half * nodes[k][0], below);
        densities(middle + half * nodes[k][0], above);
        for (m = 0; m < FUNCTIONS; m++)
            out[m] += half * nodes[k][1] * (below[m] + above[m]);
    }
}

/* Add the integrals of m from start to stop, both on one piece. */
static void add_on_piece(const piece *here, double start, double stop, double out[FUNCTIONS])
{
    double before[FUNCTIONS], after[FUNCTIONS];
    size_t k;

    if (here->antiderivatives != NULL) {
        here->antiderivatives(start, before);
        here->antiderivatives(stop, after);
        for (k = 0; k < FUNCTIONS; k++)
            out[k] += after[k] - before[k];
        return;
    }
    for (k = 0; k < here->panels; k++) {
        double from = fmax(start, here->edges[k]), to = fmin(stop, here->edges[k + 1]);

        if (to > from)
            add_gauss(here->densities, from, to, out);
    }
}

/* The integrals of m from start to stop. */
static void integrate(const problem *given, double start, double stop, double out[FUNCTIONS])
{
    size_t k;

    for (k = 0; k < FUNCTIONS; k++)
        out[k] = 0;
    if (!(stop > start))
        return;
    /* Of a neuron that is on only next to an end, antiderivatives lose the gradient to cancellation. */
    if (right_end(given) - start < given->reach[1]) {
        add_gauss(given->pieces[given->piece_count - 1].densities, start, stop, out);
        return;
    }
    if (stop - left_end(given) < given->reach[0]) {
        add_gauss(given->pieces[0].densities, start, stop, out);
        return;
    }
    for (k = 0; k < given->piece_count; k++) {
        const piece *here = &given->pieces[k];
        double from = fmax(start, here->left), to = fmin(stop, here->right);

        if (to > from)
            add_on_piece(here, from, to, out);
    }
}

/* Is the energy only one-sidedly differentiable here, `order` times? */
static int degenerate(const problem *given, const sweep *s, int order)
{
    const neuron *last = NULL;
    size_t k, m;

    for (k = 0; k < s->n; k++) {
        const neuron *i = &s->neurons[k];

        /* A neuron with c = 0 is silent, but second derivatives still hear it. */
        if (order == 1 && i->c == 0)
            continue;
        if (i->w == 0) {
            if (i->b == 0)
                return 1;
            continue;
        }
        for (m = 0; m < given->mark_count; m++) {
            const mark *place = &given->marks[m];

            if (place->lowest <= order && compare_products(-i->b, place->q, i->w, place->p) == 0)
                return 1;
        }
        if (!i->inside)
            continue;
        if (last != NULL && last->x == i->x && compare_kinks(last, i) == 0
            && (last->c != 0 || i->c != 0) && stiffness(given, i->x) > 0)
            return 1;
        last = i;
    }
    return 0;
}

static void free_sweep(sweep *s)
{
    free(s->neurons);
    free(s->intervals);
}

static neuron placed(const problem *given, double w, double b, double c, size_t index)
{
    double left = left_end(given), right = right_end(given), kink;
    neuron out = {0};

    /* Without a kink it is on throughout or off throughout: a kink at the end that says the same. */
    kink = w != 0 ? -b / w : b > 0 ? left : right;
    out.x = fmin(fmax(kink, left), right);
    out.w = w;
    out.b = b;
    out.c = c;
    out.index = index;
    out.inside = w != 0 && kink > left && kink < right;
    out.rising = w >= 0;
    return out;
}

/* The slopes, intercepts and integrals between the kinks. */
static void fill_intervals(const problem *given, sweep *s)
{
    double slope = 0, intercept = 0;
    size_t k;

    for (k = 0; k < s->n; k++) {
        const neuron *i = &s->neurons[k];

        if (!i->rising) {
            slope += i->c * i->w;
            intercept += i->c * i->b;
        }
    }
    for (k = 0; k <= s->n; k++) {
        double start = k > 0 ? s->neurons[k - 1].x : left_end(given);
        double stop = k < s->n ? s->neurons[k].x : right_end(given);

        if (k > 0) {
            const neuron *i = &s->neurons[k - 1];
            double sign = i->rising ? 1 : -1;

            slope += sign * i->c * i->w;
            intercept += sign * i->c * i->b;
        }
        s->intervals[k].slope = slope;
        s->intervals[k].intercept = intercept;
        integrate(given, start, stop, s->intervals[k].moments);
    }
}

/* To be freed by `free_sweep` if the status is OK; nothing is left allocated otherwise. `order`: of the
   derivative that must exist here. */
static relu_oracles_status make_sweep(
    const problem *given, size_t n, const double *w, const double *b, const double *c, int order,
    sweep *s)
{
    size_t k;

    if (n == 0 || w == NULL || b == NULL || c == NULL)
        return RELU_ORACLES_BAD_INPUT;
    for (k = 0; k < n; k++) {
        if (!isfinite(w[k]) || !isfinite(b[k]) || !isfinite(c[k]))
            return RELU_ORACLES_BAD_INPUT;
    }
    if (n >= SIZE_MAX / (sizeof(neuron) + sizeof(interval)))
        return RELU_ORACLES_NO_MEMORY;
    s->n = n;
    s->neurons = malloc(n * sizeof *s->neurons);
    s->intervals = malloc((n + 1) * sizeof *s->intervals);
    if (s->neurons == NULL || s->intervals == NULL) {
        free_sweep(s);
        return RELU_ORACLES_NO_MEMORY;
    }
    for (k = 0; k < n; k++)
        s->neurons[k] = placed(given, w[k], b[k], c[k], k);
    qsort(s->neurons, n, sizeof *s->neurons, by_kink);
    if (order > 0 && degenerate(given, s, order)) {
        free_sweep(s);
        return RELU_ORACLES_NO_DERIVATIVE;
    }
    fill_intervals(given, s);
    return RELU_ORACLES_OK;
}
