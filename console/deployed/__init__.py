"""What the log and the bundles say of models, gathered for whoever shows it: no registry is asked."""
