"""What ``tocsin models`` shows of versions, and what refers to their bundles."""
