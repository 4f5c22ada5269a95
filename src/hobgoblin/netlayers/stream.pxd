from hobgoblin.syrup.encoder cimport joined
