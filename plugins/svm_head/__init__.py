"""An SVM or logistic regression as the head of a recognizer. It offers no component: `probe` and `hof-svm` use it."""
