#ifndef RELU_ORACLES_H
#define RELU_ORACLES_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    RELU_ORACLES_OK = 0,
    RELU_ORACLES_NO_DERIVATIVE = 1, /* kink lines coincide, or one lies on a free edge, or w = b = 0 */
    RELU_ORACLES_BAD_INPUT = 2,     /* n = 0, a null pointer, NaN or infinity */
    RELU_ORACLES_NO_MEMORY = 3
} relu_oracles_status;

/* The energy at any parameters: w has 2n numbers, neuron by neuron, b and c have n. */
relu_oracles_status relu_oracles_energy(
    size_t n, const double *w, const double *b, const double *c, double *energy);

/* Its gradient in its parts, 4n each: by w, neuron by neuron, by b, by c; total = bulk + dirac. Parts that are
   not wanted may be NULL. */
relu_oracles_status relu_oracles_gradient(
    size_t n, const double *w, const double *b, const double *c, double *bulk, double *dirac,
    double *total);

#ifdef __cplusplus
}
#endif

#endif
