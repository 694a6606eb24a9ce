// The target Settings.
