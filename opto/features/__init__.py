"""Ready-made programs, under the names that existing programs import; the parts themselves live elsewhere in opto."""
