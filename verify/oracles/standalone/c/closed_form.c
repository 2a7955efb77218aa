static relu_oracles_status finite_or_overflow(size_t count, const double *values)
{
    size_t k;

    for (k = 0; k < count; k++) {
        if (!isfinite(values[k]))
            return RELU_ORACLES_OVERFLOW;
    }
    return RELU_ORACLES_OK;
}

static double network_at(double place, const sweep *s)
{
    double sum = 0;
    size_t k;

    for (k = 0; k < s->n; k++)
        sum += s->neurons[k].c * fmax(s->neurons[k].w * place + s->neurons[k].b, 0);
    return sum;
}

static double value_at(const free_end *end, const sweep *s)
{
    double here = end->lift + end->distance * network_at(end->place, s);

    if (end->opposite_distance == 0)
        return here;
    return here - (end->opposite_lift + end->opposite_distance * network_at(end->opposite, s));
}

/* The derivative of an end's terms by u. */
static double pull_of(const free_end *end, const sweep *s)
{
    return end->flux + end->penalty * (value_at(end, s) - end->wanted);
}

/* D times the derivative of the network by (w, b, c) of one neuron at an end. */
static void end_directions(const free_end *end, const neuron *i, double out[3])
{
    double z = i->w * end->place + i->b, on = z > 0 ? i->c : 0;

    out[0] = end->distance * end->place * on;
    out[1] = end->distance * on;
    out[2] = end->distance * fmax(z, 0);
    if (end->opposite_distance == 0)
        return;
    z = i->w * end->opposite + i->b;
    on = z > 0 ? i->c : 0;
    out[0] -= end->opposite_distance * end->opposite * on;
    out[1] -= end->opposite_distance * on;
    out[2] -= end->opposite_distance * fmax(z, 0);
}

/* The energy density on an interval, or with the slopes of m its derivative by x. */
static double density(const interval *here, const double m[FUNCTIONS])
{
    double a = here->slope, g = here->intercept;

    return (m[0] * a + m[1] * g + m[3]) * a + (m[2] * g + m[4]) * g + m[5];
}

static double density_by_slope(const interval *here, const double m[FUNCTIONS])
{
    return 2 * m[0] * here->slope + m[1] * here->intercept + m[3];
}

static double density_by_intercept(const interval *here, const double m[FUNCTIONS])
{
    return m[1] * here->slope + 2 * m[2] * here->intercept + m[4];
}

/* Sums over the intervals on which each neuron is on, taken from the end at which it is. */
static void fill_forces(sweep *s)
{
    double by_slope = 0, by_intercept = 0;
    size_t k;

    for (k = 0; k < s->n; k++) {
        const interval *before = &s->intervals[k];

        by_slope += density_by_slope(before, before->moments);
        by_intercept += density_by_intercept(before, before->moments);
        if (!s->neurons[k].rising) {
            s->neurons[k].by_slope = by_slope;
            s->neurons[k].by_intercept = by_intercept;
        }
    }
    by_slope = by_intercept = 0;
    for (k = s->n; k-- > 0;) {
        const interval *after = &s->intervals[k + 1];

        by_slope += density_by_slope(after, after->moments);
        by_intercept += density_by_intercept(after, after->moments);
        if (s->neurons[k].rising) {
            s->neurons[k].by_slope = by_slope;
            s->neurons[k].by_intercept = by_intercept;
        }
    }
}

static relu_oracles_status energy_of(
    const problem *given, size_t n, const double *w, const double *b, const double *c, double *energy)
{
    sweep s;
    relu_oracles_status status;
    double total = 0;
    size_t k;

    if (energy == NULL)
        return RELU_ORACLES_BAD_INPUT;
    status = make_sweep(given, n, w, b, c, 0, &s);
    if (status != RELU_ORACLES_OK)
        return status;
    for (k = 0; k <= n; k++)
        total += density(&s.intervals[k], s.intervals[k].moments);
    for (k = 0; k < given->end_count; k++) {
        const free_end *end = &given->ends[k];
        double u = value_at(end, &s);

        total += end->flux * u + end->penalty * (u - end->wanted) * (u - end->wanted) / 2;
    }
    free_sweep(&s);
    *energy = total;
    return finite_or_overflow(1, energy);
}

/* The Dirac terms of neuron k by w and by b. */
static void dirac_terms(const problem *given, const sweep *s, size_t k, double out[2])
{
    const neuron *i = &s->neurons[k];
    const interval *before = &s->intervals[k], *after = &s->intervals[k + 1];
    double value, others;

    out[0] = out[1] = 0;
    /* At its own kink the neuron is silent: the value is that of the others, and so is the slope
       without its own. */
    value = before->slope * i->x + before->intercept;
    others = (before->slope + after->slope - i->c * i->w) / 2;
    if (i->inside)
        piece_at(given, i->x)->dirac(i->x, i->w, i->c, value, others, out);
}

static relu_oracles_status gradient_of(
    const problem *given, size_t n, const double *w, const double *b, const double *c, double *bulk,
    double *dirac, double *total)
{
    sweep s;
    relu_oracles_status status = make_sweep(given, n, w, b, c, 1, &s);
    double pulls[MOST_ENDS], at_end[3];
    size_t k, m, block;

    if (status != RELU_ORACLES_OK)
        return status;
    for (m = 0; m < given->end_count; m++)
        pulls[m] = pull_of(&given->ends[m], &s);
    fill_forces(&s);
    for (k = 0; k < n; k++) {
        const neuron *i = &s.neurons[k];
        double still[3], moving[3] = {0, 0, 0};

        still[0] = i->c * i->by_slope;
        still[1] = i->c * i->by_intercept;
        still[2] = i->w * i->by_slope + i->b * i->by_intercept;
        for (m = 0; m < given->end_count; m++) {
            end_directions(&given->ends[m], i, at_end);
            for (block = 0; block < 3; block++)
                still[block] += pulls[m] * at_end[block];
        }
        dirac_terms(given, &s, k, moving);
        for (block = 0; block < 3; block++) {
            size_t place = block * n + i->index;

            if (bulk != NULL)
                bulk[place] = still[block];
            if (dirac != NULL)
                dirac[place] = moving[block];
            if (total != NULL)
                total[place] = still[block] + moving[block];
            if (!isfinite(still[block] + moving[block]))
                status = RELU_ORACLES_OVERFLOW;
        }
    }
    free_sweep(&s);
    return status;
}
