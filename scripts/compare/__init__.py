"""What recipes, backbones and few photos are worth on pictures from elsewhere: `make compare`."""
