"""dandc."""
