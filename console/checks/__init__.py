"""What `tocsin doctor` looks at: one noun per file, one small function per check, each returning a finding."""
