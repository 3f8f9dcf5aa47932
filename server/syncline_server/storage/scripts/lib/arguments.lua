-- Arguments by name: ARGV is name, value, name, value, … An argument that does not apply is absent.

local tag, arguments = KEYS[1], ARGV
for index = 1, #arguments, 2 do
  arguments[arguments[index]] = arguments[index + 1]
end
