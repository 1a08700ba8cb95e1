"""GenerationJob: once its Model is Ready, a `generate` Job writes one part a shard."""
