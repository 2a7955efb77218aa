const char *relu_oracles_sentence(relu_oracles_status status)
{
    switch (status) {
    case RELU_ORACLES_OK:
        return "ok";
    case RELU_ORACLES_NO_DERIVATIVE:
        return "the energy has no such derivative here: kinks coincide, a kink lies on an end of the "
               "domain, a point load or an "
               "interface, or a neuron has w = b = 0";
    case RELU_ORACLES_BAD_INPUT:
        return "n is 0, a pointer is null, or a parameter is not finite";
    case RELU_ORACLES_NO_MEMORY:
        return "there is not enough memory";
    case RELU_ORACLES_OVERFLOW:
        return "a result is beyond the range of double";
    }
    return "this is no status";
}

relu_oracles_status relu_oracles_energy(
    size_t n, const double *w, const double *b, const double *c, double *energy)
{
    return energy_of(&stated, n, w, b, c, energy);
}

relu_oracles_status relu_oracles_gradient(
    size_t n, const double *w, const double *b, const double *c, double *bulk, double *dirac,
    double *total)
{
    return gradient_of(&stated, n, w, b, c, bulk, dirac, total);
}

relu_oracles_status relu_oracles_hessian(
    size_t n, const double *w, const double *b, const double *c, double *hessian)
{
    return hessian_of(&stated, n, w, b, c, hessian);
}
