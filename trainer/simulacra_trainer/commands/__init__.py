"""The trainer's commands, one module each: `add_options` and the command itself."""
