-- Neptune: snapshots and clusters are copied as in RDS.
return require "aws.quirks.rds"
