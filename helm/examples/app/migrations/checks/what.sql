-- every order says what it is for
SELECT id FROM orders WHERE trim(what) = '';
