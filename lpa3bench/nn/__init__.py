"""Parts of networks and things done to networks, whatever their architecture."""
