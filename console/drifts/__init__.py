"""The commands of ``tocsin drift``, a file each."""
