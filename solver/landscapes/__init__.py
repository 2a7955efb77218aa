"""`landscape` and `spectrum`: energies on planes around a network, their roughness, Hessians and eigenvectors."""
