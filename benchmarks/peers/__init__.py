"""The same model behind the usual ways to demo one, as their documentation has them."""
