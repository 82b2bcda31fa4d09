"""Acquisition: brings readings in from files, growing files, HTTP and a simulated plant."""
