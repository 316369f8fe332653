-- Auto Scaling: user data is sent in base64, as EC2 wants it.
return { CreateLaunchConfiguration = { before_serialize = require("aws.quirks.ec2").RunInstances.before_serialize } }
