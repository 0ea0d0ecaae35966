"""后台作业: what a person on a page asks for and a clerk of a worker host does."""
