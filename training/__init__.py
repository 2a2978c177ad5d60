"""How the models come to be: data sets, forgeries, networks, training, calibration, stacking, thresholds."""
