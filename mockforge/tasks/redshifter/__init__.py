"""Networks that predict a galaxy at another redshift."""
