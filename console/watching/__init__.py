"""What is going on with every series now: for the page, and for whoever asks over HTTP."""
