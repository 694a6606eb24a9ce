// The target Registrar.
