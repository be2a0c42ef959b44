"""What two pages share: cached singletons, the prediction card, the rating form, charts."""
