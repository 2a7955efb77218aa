#include <stdio.h>
#include <stdlib.h>

#include "relu_oracles.h"

/* How many components are off or, in their place, 1 if there is no value. */
static size_t report(const char *what, relu_oracles_status status)
{
    fprintf(stderr, "%s: %s\n", what, relu_oracles_sentence(status));
    return 1;
}

static size_t wrong_in_energy(const relu_oracles_case *expected)
{
    double energy;
    relu_oracles_status status =
        relu_oracles_energy(expected->width, expected->w, expected->b, expected->c, &energy);

    if (status != RELU_ORACLES_OK)
        return report("energy", status);
    return relu_oracles_check_energy(expected, energy, 0);
}

static size_t wrong_in_gradient(const relu_oracles_case *expected)
{
    double *gradient = malloc(3 * expected->width * sizeof *gradient);
    relu_oracles_status status;
    size_t off;

    if (gradient == NULL)
        return report("gradient", RELU_ORACLES_NO_MEMORY);
    /* To test your own code, let it fill `gradient` here; 1e-9 in place of 0 if it integrates to nine
       digits. */
    status = relu_oracles_gradient(
        expected->width, expected->w, expected->b, expected->c, NULL, NULL, gradient);
    off = status == RELU_ORACLES_OK ? relu_oracles_check_gradient(expected, gradient, 0)
                                    : report("gradient", status);
    free(gradient);
    return off;
}

static size_t wrong_in_hessian(const relu_oracles_case *expected)
{
    double *hessian;
    relu_oracles_status status;
    size_t off;

    if (expected->hessian == NULL)
        return 0;
    hessian = malloc(9 * expected->width * expected->width * sizeof *hessian);
    if (hessian == NULL)
        return report("Hessian", RELU_ORACLES_NO_MEMORY);
    status = relu_oracles_hessian(expected->width, expected->w, expected->b, expected->c, hessian);
    off = status == RELU_ORACLES_OK ? relu_oracles_check_hessian(expected, hessian, 0)
                                    : report("Hessian", status);
    free(hessian);
    return off;
}

int main(void)
{
    size_t failed = 0, k;

    for (k = 0; k < relu_oracles_case_count; k++) {
        const relu_oracles_case *expected = &relu_oracles_cases[k];
        size_t off =
            wrong_in_energy(expected) + wrong_in_gradient(expected) + wrong_in_hessian(expected);

        printf("%s %s\n", off == 0 ? "ok    " : "FAILED", expected->id);
        failed += off > 0;
    }
    printf("%lu cases, %lu failed\n", (unsigned long)relu_oracles_case_count, (unsigned long)failed);
    return failed > 0;
}
