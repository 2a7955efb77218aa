#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#include "relu_oracles.h"

/* What `data` gives at a place: the coefficient, the source, D and the lift with their slopes. */
enum { K11, K12, K22, SOURCE, D, D_X, D_Y, LIFT, LIFT_X, LIFT_Y, DATA };

/* An edge on which D does not vanish; per length the energy has square u^2 / 2 + linear u + constant. */
typedef struct {
    double start[2], end[2];
    void (*terms)(double x, double y, double out[3]);
} free_edge;
