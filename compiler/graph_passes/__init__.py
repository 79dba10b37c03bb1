"""Passes over flow graphs: one file each, in the order of `pipeline`. Pure functions of checked graphs and kernel IR."""
