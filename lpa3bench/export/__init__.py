"""The final weights of a run as safetensors, with a card; and the network taken up again from them."""
