"""One report, told in three ways: JSON for programs, JUnit XML for a CI, one HTML file for people."""
