"""Stands in for the package of Google Colab's kernels, which is not published for other machines."""
