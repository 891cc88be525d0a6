"""The stages that turn photos into a promoted model bundle, one module a stage, and the nouns they share."""
