"""What is each file really? A workflow on real files, with a real model, that is made to fail."""
