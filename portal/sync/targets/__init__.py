"""Systems that archived documents are pushed on to."""
