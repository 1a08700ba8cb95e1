"""The trust package: claims with their tests, and answers that link to them."""
