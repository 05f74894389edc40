#!/bin/sh
echo "hello ${USER}"
