"""Where the sources of a learned sky are, and what they are: counts, population, clustering, the process."""
