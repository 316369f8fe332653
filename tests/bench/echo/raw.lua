-- Answers with the bytes of its event; nothing is decoded.
return { raw = true, run = function(text) return text end }
