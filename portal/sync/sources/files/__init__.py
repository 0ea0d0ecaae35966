"""Where the files of a table of rows are: a folder, a bucket, or below a web address."""
