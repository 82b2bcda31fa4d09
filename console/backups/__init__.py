"""Backups: everything of an installation in a folder, and its way back."""
