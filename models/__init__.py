"""Feature sets, detectors, drift tests, bundles and their registry."""
