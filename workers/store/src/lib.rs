//! Content by id on a file system volume or S3.
