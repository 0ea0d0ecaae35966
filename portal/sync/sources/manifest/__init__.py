"""清单数据源: a manifest, CSV or JSONL, over the files of a folder or a bucket."""
