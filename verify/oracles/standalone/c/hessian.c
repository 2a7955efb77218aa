/* H = int d2L - sum over kinks ( [dL] dxi^T + dxi [dL]^T + [L_x] dxi dxi^T + [L] d2xi ), [.] the jump
   across a kink at xi. */

/* What the Hessian needs of one neuron, by (w, b, c) where there are three. */
typedef struct {
    double by_a[3], by_g[3]; /* of slope and intercept, where the neuron is on */
    double motion[3];        /* of its kink xi = -b/w */
    double jump_a, jump_g;   /* of dL/da and dL/dg across its kink */
    double own_a, own_g; /* dL/da and dL/dg on the side on which it is on, with the sign of the jump */
    double jump_density, jump_change; /* of L and dL/dx */
    double mixed[2];                  /* the derivative by (w, c) and by (b, c) of the neuron itself */
} response;

/* Integrals of the second derivatives of L: by a a, a g, g g. */
typedef struct {
    double aa, ag, gg;
} curvature;

static curvature sum_of(curvature one, curvature other)
{
    one.aa += other.aa;
    one.ag += other.ag;
    one.gg += other.gg;
    return one;
}

/* Those up to kink k and those beyond it. */
static void fill_curvatures(const sweep *s, curvature *before, curvature *after)
{
    curvature sum = {0, 0, 0};
    size_t k;

    for (k = 0; k < s->n; k++) {
        const double *m = s->intervals[k].moments;
        curvature here = {2 * m[0], m[1], 2 * m[2]};

        sum = sum_of(sum, here);
        before[k] = sum;
    }
    sum.aa = sum.ag = sum.gg = 0;
    for (k = s->n; k-- > 0;) {
        const double *m = s->intervals[k + 1].moments;
        curvature here = {2 * m[0], m[1], 2 * m[2]};

        sum = sum_of(sum, here);
        after[k] = sum;
    }
}

/* Over the interval on which neurons i <= j, sorted by kink, are both on. */
static curvature shared(
    const sweep *s, const curvature *before, const curvature *after, size_t i, size_t j)
{
    int up_i = s->neurons[i].rising, up_j = s->neurons[j].rising;
    curvature out = {0, 0, 0};

    if (up_i && up_j)
        return after[j];
    if (!up_i && !up_j)
        return before[i];
    if (up_i) {
        out.aa = before[j].aa - before[i].aa;
        out.ag = before[j].ag - before[i].ag;
        out.gg = before[j].gg - before[i].gg;
    }
    return out;
}

static response respond(const problem *given, const sweep *s, size_t k)
{
    const neuron *i = &s->neurons[k];
    const interval *before = &s->intervals[k], *after = &s->intervals[k + 1];
    const interval *on = i->rising ? after : before;
    double m[FUNCTIONS], change[FUNCTIONS], sign = i->rising ? 1 : -1;
    double jump_slope = sign * i->c * i->w, jump_intercept = sign * i->c * i->b;
    interval mean = {0};
    response out = {0};
    size_t end;

    out.by_a[0] = i->c;
    out.by_a[2] = i->w;
    out.by_g[1] = i->c;
    out.by_g[2] = i->b;
    out.mixed[0] = i->by_slope;
    out.mixed[1] = i->by_intercept;
    for (end = 0; end < given->end_count; end++) {
        const free_end *at = &given->ends[end];

        if (i->w * at->place + i->b > 0) {
            out.mixed[0] += at->distance * pull_of(at, s) * at->place;
            out.mixed[1] += at->distance * pull_of(at, s);
        }
        if (at->opposite_distance != 0 && i->w * at->opposite + i->b > 0) {
            out.mixed[0] -= at->opposite_distance * pull_of(at, s) * at->opposite;
            out.mixed[1] -= at->opposite_distance * pull_of(at, s);
        }
    }
    if (!i->inside)
        return out;
    out.motion[0] = -i->x / i->w;
    out.motion[1] = -1 / i->w;
    piece_at(given, i->x)->densities(i->x, m);
    piece_at(given, i->x)->slopes(i->x, change);
    out.own_a = sign * density_by_slope(on, m);
    out.own_g = sign * density_by_intercept(on, m);
    /* L is quadratic in a and g: its jump is their jumps times its derivatives at their means.
       Differences of both sides would lose a flat neuron's jump next to steep ones. */
    out.jump_a = 2 * m[0] * jump_slope + m[1] * jump_intercept;
    out.jump_g = m[1] * jump_slope + 2 * m[2] * jump_intercept;
    mean.slope = (before->slope + after->slope) / 2;
    mean.intercept = (before->intercept + after->intercept) / 2;
    out.jump_density =
        jump_slope * density_by_slope(&mean, m) + jump_intercept * density_by_intercept(&mean, m);
    out.jump_change = jump_slope * density_by_slope(&mean, change)
                      + jump_intercept * density_by_intercept(&mean, change);
    return out;
}

/* The jump across the kink of neuron i of the derivative of L by parameter `block` of neuron j. */
static double jump_of(const sweep *s, const response *all, size_t i, size_t j, size_t block)
{
    const response *at = &all[i], *by = &all[j];

    /* The neuron itself is on at one side only: its jump is the whole one-sided derivative. */
    if (i == j)
        return at->own_a * by->by_a[block] + at->own_g * by->by_g[block];
    /* Another one is on if it rises and its kink came before, or falls and its kink comes after. */
    if ((j < i) == s->neurons[j].rising)
        return at->jump_a * by->by_a[block] + at->jump_g * by->by_g[block];
    return 0;
}

/* The second derivatives of L and of the ends' terms, by parameter k of neuron i and m of neuron j, and
   the motion of either kink. */
static double of_two(
    const problem *given, const sweep *s, const response *all, curvature over, size_t i, size_t k,
    size_t j, size_t m)
{
    const response *one = &all[i], *other = &all[j];
    double out = one->by_a[k] * other->by_a[m] * over.aa;
    size_t end;

    out += (one->by_a[k] * other->by_g[m] + one->by_g[k] * other->by_a[m]) * over.ag;
    out += one->by_g[k] * other->by_g[m] * over.gg;
    for (end = 0; end < given->end_count; end++) {
        double by_one[3], by_other[3];

        end_directions(&given->ends[end], &s->neurons[i], by_one);
        end_directions(&given->ends[end], &s->neurons[j], by_other);
        out += given->ends[end].penalty * by_one[k] * by_other[m];
    }
    return out - one->motion[k] * jump_of(s, all, i, j, m)
           - other->motion[m] * jump_of(s, all, j, i, k);
}

/* What a neuron has with itself alone: w c and b c, and the bending of its kink's path. */
static double of_one(const neuron *i, const response *own, size_t k, size_t m)
{
    double out = 0, bend = 0;

    if (k != m && (k == 2 || m == 2))
        out += own->mixed[k < m ? k : m];
    if (!i->inside || k == 2 || m == 2)
        return out;
    if (k == 0 && m == 0)
        bend = 2 * i->x / (i->w * i->w);
    else if (k != m)
        bend = 1 / (i->w * i->w);
    return out - own->jump_change * own->motion[k] * own->motion[m] - own->jump_density * bend;
}

static void fill_hessian(
    const problem *given, const sweep *s, const response *all, const curvature *before,
    const curvature *after, double *hessian)
{
    size_t n = s->n, i, j, k, m;

    for (i = 0; i < n; i++) {
        for (j = i; j < n; j++) {
            curvature over = shared(s, before, after, i, j);

            for (k = 0; k < 3; k++) {
                for (m = 0; m < 3; m++) {
                    size_t row = k * n + s->neurons[i].index, column = m * n + s->neurons[j].index;
                    double value = of_two(given, s, all, over, i, k, j, m);

                    if (i == j)
                        value += of_one(&s->neurons[i], &all[i], k, m);
                    hessian[row * 3 * n + column] = value;
                    hessian[column * 3 * n + row] = value;
                }
            }
        }
    }
}

static relu_oracles_status hessian_of(
    const problem *given, size_t n, const double *w, const double *b, const double *c, double *hessian)
{
    sweep s;
    relu_oracles_status status;
    response *all;
    curvature *before, *after;
    size_t k;

    if (hessian == NULL)
        return RELU_ORACLES_BAD_INPUT;
    status = make_sweep(given, n, w, b, c, 2, &s);
    if (status != RELU_ORACLES_OK)
        return status;
    all = n < SIZE_MAX / sizeof *all ? malloc(n * sizeof *all) : NULL;
    before = malloc(n * sizeof *before);
    after = malloc(n * sizeof *after);
    if (all == NULL || before == NULL || after == NULL) {
        status = RELU_ORACLES_NO_MEMORY;
    } else {
        fill_forces(&s);
        fill_curvatures(&s, before, after);
        for (k = 0; k < n; k++)
            all[k] = respond(given, &s, k);
        fill_hessian(given, &s, all, before, after, hessian);
        status = finite_or_overflow(9 * n * n, hessian);
    }
    free(all);
    free(before);
    free(after);
    free_sweep(&s);
    return status;
}
