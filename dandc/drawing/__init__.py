"""Pictures of flow graphs: `picture` says what there is to see, `mermaid` and `svg` draw it, `layers` finds the places."""
