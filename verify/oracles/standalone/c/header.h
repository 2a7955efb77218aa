#ifndef RELU_ORACLES_H
#define RELU_ORACLES_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    RELU_ORACLES_OK = 0,
    RELU_ORACLES_NO_DERIVATIVE = 1, /* kinks coincide, or lie on an end or interface, or w = b = 0 */
    RELU_ORACLES_BAD_INPUT = 2,     /* n = 0, a null pointer, NaN or infinity */
    RELU_ORACLES_NO_MEMORY = 3,
    RELU_ORACLES_OVERFLOW = 4 /* a result is beyond the range of double */
} relu_oracles_status;

/* A status as a sentence. */
const char *relu_oracles_sentence(relu_oracles_status status);

/* The energy at any parameters, n of each; O(n log n). */
relu_oracles_status relu_oracles_energy(
    size_t n, const double *w, const double *b, const double *c, double *energy);

/* Its gradient in its parts, 3n each: by w, by b, by c; total = bulk + dirac. Parts that are not wanted
   may be NULL. O(n log n). */
relu_oracles_status relu_oracles_gradient(
    size_t n, const double *w, const double *b, const double *c, double *bulk, double *dirac,
    double *total);

/* Its Hessian, 3n rows of 3n; O(n^2). */
relu_oracles_status relu_oracles_hessian(
    size_t n, const double *w, const double *b, const double *c, double *hessian);

/* What is right at one network of `width` neurons. */
typedef struct {
    const char *id;
    size_t width;
    const double *w, *b, *c; /* width of each */
    double energy;
    const double *bulk, *dirac, *total; /* 3 width of each */
    const double *own_jump;             /* what a one-sided u' at each kink adds */
    double energy_tolerance, gradient_tolerance, hessian_tolerance; /* absolute */
    const double *hessian; /* 3 width rows of them; NULL: not stored */
} relu_oracles_case;

extern const relu_oracles_case relu_oracles_cases[];
extern const size_t relu_oracles_case_count;

/* Hold a program's values against a case. Each returns how many components are off and prints a report
   to stderr, with a diagnosis where a known fault fits. A relative_tolerance above 0 allows that share
   of the largest component where it is more than the case's own tolerance: for programs that integrate
   numerically. Where no Hessian is stored nothing is off. */
size_t relu_oracles_check_energy(
    const relu_oracles_case *expected, double energy, double relative_tolerance);
size_t relu_oracles_check_gradient(
    const relu_oracles_case *expected, const double *gradient, double relative_tolerance);
size_t relu_oracles_check_hessian(
    const relu_oracles_case *expected, const double *hessian, double relative_tolerance);

#ifdef __cplusplus
}
#endif

#endif
