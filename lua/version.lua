-- The version of the program. The host has its own; a start with both unlike is refused.
return { number = "0.2.0" }
