"""The way in from Python: what `import lamplighter` offers to scripts and notebooks."""
