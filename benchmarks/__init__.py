"""How fast leadloop is: figures and ratios measured on the machine at hand, never tests with a clock."""
