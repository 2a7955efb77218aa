/* What is added up: `sums` are, for each neuron, the derivatives of the energy by the coefficients of
   a x + b y + g where it is active; `jumps` the Dirac terms. The rest is room to work in. */
typedef struct {
    size_t n;
    const double *w, *b, *c;
    double energy;
    double *sums, *jumps, *corners, *marks;
} sweep;

static double height(const sweep *s, size_t i, double x, double y)
{
    return s->w[2 * i] * x + s->w[2 * i + 1] * y + s->b[i];
}

/* a, b and g of the network where the neurons are active that are so at a place; `own` counts as `share`. */
static void affine(const sweep *s, double x, double y, size_t own, double share, double out[3])
{
    out[0] = out[1] = out[2] = 0.0;
    for (size_t i = 0; i < s->n; ++i) {
        const double on = i == own ? share : (height(s, i, x, y) > 0.0 ? 1.0 : 0.0);
        out[0] += on * s->c[i] * s->w[2 * i];
        out[1] += on * s->c[i] * s->w[2 * i + 1];
        out[2] += on * s->c[i] * s->b[i];
    }
}

/* u and its slopes. */
static void field(const double d[DATA], const double a[3], double x, double y, double out[3])
{
    const double value = a[0] * x + a[1] * y + a[2];
    out[0] = d[LIFT] + d[D] * value;
    out[1] = d[LIFT_X] + d[D_X] * value + d[D] * a[0];
    out[2] = d[LIFT_Y] + d[D_Y] * value + d[D] * a[1];
}

static void add_where_active(sweep *s, double x, double y, const double by[3])
{
    for (size_t i = 0; i < s->n; ++i) {
        if (height(s, i, x, y) > 0.0) {
            for (size_t k = 0; k < 3; ++k) {
                s->sums[3 * i + k] += by[k];
            }
        }
    }
}

static void add_triangle(sweep *s, const double *p, const double *q, const double *r)
{
    const double middle[2] = {(p[0] + q[0] + r[0]) / 3.0, (p[1] + q[1] + r[1]) / 3.0};
    const double area = (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]);
    double a[3], by[3] = {0.0, 0.0, 0.0};
    affine(s, middle[0], middle[1], s->n, 0.0, a);
    for (size_t k = 0; k < POINTS; ++k) {
        for (size_t m = 0; m < POINTS; ++m) {
            const double second = nodes[k], third = (1.0 - second) * nodes[m];
            const double x = p[0] + second * (q[0] - p[0]) + third * (r[0] - p[0]);
            const double y = p[1] + second * (q[1] - p[1]) + third * (r[1] - p[1]);
            const double weight = area * node_weights[k] * node_weights[m] * (1.0 - second);
            double d[DATA], u[3];
            data(x, y, d);
            field(d, a, x, y, u);
            const double flux_x = d[K11] * u[1] + d[K12] * u[2], flux_y = d[K12] * u[1] + d[K22] * u[2];
            const double by_value = weight * (flux_x * d[D_X] + flux_y * d[D_Y] - d[SOURCE] * d[D]);
            s->energy += weight * ((flux_x * u[1] + flux_y * u[2]) / 2.0 - d[SOURCE] * u[0]);
            by[0] += by_value * x + weight * flux_x * d[D];
            by[1] += by_value * y + weight * flux_y * d[D];
            by[2] += by_value;
        }
    }
    add_where_active(s, middle[0], middle[1], by);
}

/* Cut a convex cell by the lines from the i-th on, and add up its parts. */
static void add_cell(sweep *s, size_t i, const double *cell, size_t count)
{
    if (i == s->n) {
        for (size_t k = 1; k + 1 < count; ++k) {
            add_triangle(s, cell, cell + 2 * k, cell + 2 * k + 2);
        }
        return;
    }
    double least = DBL_MAX, greatest = -DBL_MAX;
    for (size_t k = 0; k < count; ++k) {
        const double h = height(s, i, cell[2 * k], cell[2 * k + 1]);
        least = fmin(least, h);
        greatest = fmax(greatest, h);
    }
    if (least >= 0.0 || greatest <= 0.0) {
        add_cell(s, i + 1, cell, count);
        return;
    }
    /* A cut adds a corner to either part. */
    const size_t room = 2 * (s->n + 5);
    double *parts[2] = {s->corners + 2 * i * room, s->corners + (2 * i + 1) * room};
    size_t counts[2] = {0, 0};
    for (size_t k = 0; k < count; ++k) {
        const double *p = cell + 2 * k, *q = cell + 2 * ((k + 1) % count);
        const double h = height(s, i, p[0], p[1]), g = height(s, i, q[0], q[1]);
        for (size_t side = 0; side < 2; ++side) {
            double *to = parts[side];
            if (side == 0 ? h >= 0.0 : h <= 0.0) {
                to[2 * counts[side]] = p[0];
                to[2 * counts[side]++ + 1] = p[1];
            }
            if ((h > 0.0 && g < 0.0) || (h < 0.0 && g > 0.0)) {
                const double share = h / (h - g);
                to[2 * counts[side]] = p[0] + share * (q[0] - p[0]);
                to[2 * counts[side]++ + 1] = p[1] + share * (q[1] - p[1]);
            }
        }
    }
    add_cell(s, i + 1, parts[0], counts[0]);
    add_cell(s, i + 1, parts[1], counts[1]);
}

static int ascending(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Where the lines cross the segment from `base + low along` to `base + high along`, ascending, with its ends. */
static size_t marks_between(sweep *s, const double base[2], const double along[2], double low, double high, size_t own)
{
    size_t count = 0;
    s->marks[count++] = low;
    s->marks[count++] = high;
    for (size_t j = 0; j < s->n; ++j) {
        const double slope = s->w[2 * j] * along[0] + s->w[2 * j + 1] * along[1];
        const double t = slope == 0.0 || j == own ? low : -height(s, j, base[0], base[1]) / slope;
        if (t > low && t < high) {
            s->marks[count++] = t;
        }
    }
    qsort(s->marks, count, sizeof *s->marks, ascending);
    return count;
}

static void add_edge(sweep *s, const free_edge *edge)
{
    const double along[2] = {edge->end[0] - edge->start[0], edge->end[1] - edge->start[1]};
    const double length = sqrt(along[0] * along[0] + along[1] * along[1]);
    const size_t count = marks_between(s, edge->start, along, 0.0, 1.0, s->n);
    for (size_t k = 0; k + 1 < count; ++k) {
        const double step = s->marks[k + 1] - s->marks[k], middle = s->marks[k] + step / 2.0;
        const double at[2] = {edge->start[0] + middle * along[0], edge->start[1] + middle * along[1]};
        double a[3], by[3] = {0.0, 0.0, 0.0};
        affine(s, at[0], at[1], s->n, 0.0, a);
        for (size_t m = 0; m < POINTS; ++m) {
            const double t = s->marks[k] + step * nodes[m], ds = step * node_weights[m] * length;
            const double x = edge->start[0] + t * along[0], y = edge->start[1] + t * along[1];
            double d[DATA], u[3], term[3];
            data(x, y, d);
            field(d, a, x, y, u);
            edge->terms(x, y, term);
            s->energy += ds * (term[0] * u[0] * u[0] / 2.0 + term[1] * u[0] + term[2]);
            const double by_value = ds * (term[0] * u[0] + term[1]) * d[D];
            by[0] += by_value * x;
            by[1] += by_value * y;
            by[2] += by_value;
        }
        add_where_active(s, at[0], at[1], by);
    }
}

/* The Dirac term of a kink line in a convex piece; on the line half of the neuron's own slope counts. */
static void add_line(sweep *s, size_t i, const double piece[8])
{
    const double *w = s->w + 2 * i;
    const double square = w[0] * w[0] + w[1] * w[1];
    if (square == 0.0) {
        return;
    }
    const double base[2] = {-s->b[i] / square * w[0], -s->b[i] / square * w[1]}, along[2] = {-w[1], w[0]};
    double low = -DBL_MAX, high = DBL_MAX;
    for (size_t k = 0; k < 4; ++k) {
        const double *p = piece + 2 * k, *q = piece + 2 * ((k + 1) % 4);
        const double normal[2] = {p[1] - q[1], q[0] - p[0]};
        const double rate = normal[0] * along[0] + normal[1] * along[1];
        const double value = normal[0] * (base[0] - p[0]) + normal[1] * (base[1] - p[1]);
        if (rate > 0.0) {
            low = fmax(low, -value / rate);
        } else if (rate < 0.0) {
            high = fmin(high, -value / rate);
        } else if ((normal[0] != 0.0 || normal[1] != 0.0) && (value < 0.0 || (value == 0.0 && (k == 1 || k == 2)))) {
            /* Along the side between two pieces it is in one of them. */
            return;
        }
    }
    if (!(low < high)) {
        return;
    }
    const size_t count = marks_between(s, base, along, low, high, i);
    for (size_t k = 0; k + 1 < count; ++k) {
        const double step = s->marks[k + 1] - s->marks[k], middle = s->marks[k] + step / 2.0;
        double a[3];
        affine(s, base[0] + middle * along[0], base[1] + middle * along[1], i, 0.5, a);
        for (size_t m = 0; m < POINTS; ++m) {
            const double t = s->marks[k] + step * nodes[m];
            const double x = base[0] + t * along[0], y = base[1] + t * along[1];
            double d[DATA], u[3];
            data(x, y, d);
            field(d, a, x, y, u);
            const double pull = w[0] * (d[K11] * u[1] + d[K12] * u[2]) + w[1] * (d[K12] * u[1] + d[K22] * u[2]);
            const double jump = step * node_weights[m] * s->c[i] * d[D] * pull;
            s->jumps[3 * i] += jump * x;
            s->jumps[3 * i + 1] += jump * y;
            s->jumps[3 * i + 2] += jump;
        }
    }
}

static int on_line(const double w[2], double b, double x, double y)
{
    return fabs(w[0] * x + w[1] * y + b) <= 4.0 * DBL_EPSILON * (fabs(w[0] * x) + fabs(w[1] * y) + fabs(b));
}

/* Do two lines coincide in the polygon, or does one lie on a free edge, or is w = b = 0? */
static int is_degenerate(const sweep *s)
{
    for (size_t i = 0; i < s->n; ++i) {
        const double *w = s->w + 2 * i;
        const double square = w[0] * w[0] + w[1] * w[1];
        int inside = 0;
        if (s->c[i] == 0.0) {
            continue;
        }
        if (square == 0.0) {
            if (s->b[i] == 0.0) {
                return 1;
            }
            continue;
        }
        for (size_t k = 0; k < free_edge_count; ++k) {
            const double *p = free_edges[k].start, *q = free_edges[k].end;
            if (on_line(w, s->b[i], p[0], p[1]) && on_line(w, s->b[i], q[0], q[1])) {
                return 1;
            }
        }
        for (size_t k = 0; k < piece_count; ++k) {
            double least = DBL_MAX, greatest = -DBL_MAX;
            for (size_t m = 0; m < 4; ++m) {
                const double h = height(s, i, pieces[k][2 * m], pieces[k][2 * m + 1]);
                least = fmin(least, h);
                greatest = fmax(greatest, h);
            }
            inside = inside || (least < 0.0 && greatest > 0.0);
        }
        for (size_t j = 0; inside && j < i; ++j) {
            const double *v = s->w + 2 * j;
            const double one = w[0] * v[1], other = w[1] * v[0];
            const int parallel = fabs(one - other) <= 4.0 * DBL_EPSILON * (fabs(one) + fabs(other));
            if (s->c[j] != 0.0 && (v[0] != 0.0 || v[1] != 0.0) && parallel &&
                on_line(v, s->b[j], -s->b[i] / square * w[0], -s->b[i] / square * w[1])) {
                return 1;
            }
        }
    }
    return 0;
}

static int are_finite(const double *values, size_t count)
{
    for (size_t k = 0; k < count; ++k) {
        if (!(fabs(values[k]) <= DBL_MAX)) {
            return 0;
        }
    }
    return 1;
}

/* Room to work in, at `s->sums`, which is to be freed. */
static relu_oracles_status begun(sweep *s, size_t n, const double *w, const double *b, const double *c)
{
    if (n == 0 || w == NULL || b == NULL || c == NULL) {
        return RELU_ORACLES_BAD_INPUT;
    }
    if (!are_finite(w, 2 * n) || !are_finite(b, n) || !are_finite(c, n)) {
        return RELU_ORACLES_BAD_INPUT;
    }
    s->n = n;
    s->w = w;
    s->b = b;
    s->c = c;
    s->energy = 0.0;
    s->sums = n > 100000 ? NULL : calloc(6 * n + n + 2 + 4 * n * (n + 5), sizeof *s->sums);
    if (s->sums == NULL) {
        return RELU_ORACLES_NO_MEMORY;
    }
    s->jumps = s->sums + 3 * n;
    s->marks = s->jumps + 3 * n;
    s->corners = s->marks + n + 2;
    return RELU_ORACLES_OK;
}

static void add_still(sweep *s)
{
    for (size_t k = 0; k < piece_count; ++k) {
        add_cell(s, 0, pieces[k], 4);
    }
    for (size_t k = 0; k < free_edge_count; ++k) {
        add_edge(s, &free_edges[k]);
    }
}

relu_oracles_status relu_oracles_energy(
    size_t n, const double *w, const double *b, const double *c, double *energy)
{
    sweep s;
    const relu_oracles_status status = energy == NULL ? RELU_ORACLES_BAD_INPUT : begun(&s, n, w, b, c);
    if (status == RELU_ORACLES_OK) {
        add_still(&s);
        *energy = s.energy;
        free(s.sums);
    }
    return status;
}

relu_oracles_status relu_oracles_gradient(
    size_t n, const double *w, const double *b, const double *c, double *bulk, double *dirac,
    double *total)
{
    sweep s;
    const relu_oracles_status status = begun(&s, n, w, b, c);
    if (status != RELU_ORACLES_OK) {
        return status;
    }
    if (is_degenerate(&s)) {
        free(s.sums);
        return RELU_ORACLES_NO_DERIVATIVE;
    }
    add_still(&s);
    for (size_t i = 0; i < n; ++i) {
        for (size_t k = 0; c[i] != 0.0 && k < piece_count; ++k) {
            add_line(&s, i, pieces[k]);
        }
        const double *sum = s.sums + 3 * i;
        const double by_outer = w[2 * i] * sum[0] + w[2 * i + 1] * sum[1] + b[i] * sum[2];
        const double by[4] = {c[i] * sum[0], c[i] * sum[1], c[i] * sum[2], by_outer};
        const size_t places[4] = {2 * i, 2 * i + 1, 2 * n + i, 3 * n + i};
        for (size_t k = 0; k < 4; ++k) {
            const double moved = k < 3 ? s.jumps[3 * i + k] : 0.0;
            if (bulk != NULL) {
                bulk[places[k]] = by[k];
            }
            if (dirac != NULL) {
                dirac[places[k]] = moved;
            }
            if (total != NULL) {
                total[places[k]] = by[k] + moved;
            }
        }
    }
    free(s.sums);
    return RELU_ORACLES_OK;
}
