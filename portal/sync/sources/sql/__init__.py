"""数据库数据源: a read-only query gives rows, a folder, a bucket or a web address their files."""
